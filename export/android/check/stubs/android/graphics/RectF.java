package android.graphics;

public class RectF {
    public float left;
    public float top;
    public float right;
    public float bottom;
}
