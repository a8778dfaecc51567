package android.util;

public final class Size {
    public native int getWidth();
    public native int getHeight();
}
