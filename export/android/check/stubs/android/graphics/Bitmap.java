package android.graphics;

public final class Bitmap {
    public enum Config { ARGB_8888 }

    public static native Bitmap createBitmap(int width, int height, Config config);
    public static native Bitmap createScaledBitmap(Bitmap src, int dstWidth, int dstHeight, boolean filter);
    public native Bitmap copy(Config config, boolean isMutable);
    public native int getWidth();
    public native int getHeight();
    public native void getPixels(int[] pixels, int offset, int stride, int x, int y, int width, int height);
}
