package android.app;

import android.content.Context;
import android.os.Bundle;
import android.view.View;

public class Activity extends Context {
    protected native void onCreate(Bundle savedInstanceState);
    protected native void onDestroy();
    public native void setContentView(View view);
    public final native void runOnUiThread(Runnable action);
}
