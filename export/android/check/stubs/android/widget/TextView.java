package android.widget;

import android.content.Context;
import android.view.View;

public class TextView extends View {
    public native CharSequence getText();
    public final native void setText(CharSequence text);

    public TextView(Context context) {
        super(context);
    }
}
