package android.view;

import android.content.Context;
import android.content.res.Resources;
import android.graphics.Canvas;

public class View {
    public interface OnClickListener {
        void onClick(View view);
    }

    public View(Context context) {}
    protected native void onDraw(Canvas canvas);
    public final native int getWidth();
    public final native int getHeight();
    public final native Resources getResources();
    public native void invalidate();
    public native void setFitsSystemWindows(boolean fitSystemWindows);
    public native boolean getFitsSystemWindows();
    public native void setOnClickListener(OnClickListener listener);
}
