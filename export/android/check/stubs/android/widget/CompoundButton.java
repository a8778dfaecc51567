package android.widget;

import android.content.Context;

public class CompoundButton extends Button {
    public interface OnCheckedChangeListener {
        void onCheckedChanged(CompoundButton button, boolean isChecked);
    }

    public native void setOnCheckedChangeListener(OnCheckedChangeListener listener);

    public CompoundButton(Context context) {
        super(context);
    }
}
