package android.graphics;

public class Canvas {
    public Canvas(Bitmap bitmap) {}
    public native void drawBitmap(Bitmap bitmap, Matrix matrix, Paint paint);
    public native void drawBitmap(Bitmap bitmap, float left, float top, Paint paint);
    public native void drawRect(float left, float top, float right, float bottom, Paint paint);
    public native void drawText(String text, float x, float y, Paint paint);
    public native void scale(float sx, float sy);
    public native void translate(float dx, float dy);
}
