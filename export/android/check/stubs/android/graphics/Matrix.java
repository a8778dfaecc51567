package android.graphics;

public class Matrix {
    public native void setScale(float sx, float sy);
    public native boolean postTranslate(float dx, float dy);
}
