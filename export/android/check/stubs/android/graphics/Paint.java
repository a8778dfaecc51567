package android.graphics;

public class Paint {
    public static final int ANTI_ALIAS_FLAG = 1;
    public static final int FILTER_BITMAP_FLAG = 2;

    public enum Style { FILL, STROKE }

    public Paint(int flags) {}
    public native void setColor(int color);
    public native int getColor();
    public native void setStyle(Style style);
    public native Style getStyle();
    public native void setStrokeWidth(float width);
    public native float getStrokeWidth();
    public native void setTextSize(float textSize);
    public native float getTextSize();
    public native void setShadowLayer(float radius, float dx, float dy, int shadowColor);
    public native void clearShadowLayer();
}
