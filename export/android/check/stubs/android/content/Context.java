package android.content;

import android.content.res.AssetManager;
import android.content.res.Resources;
import java.io.File;

public abstract class Context {
    public native AssetManager getAssets();
    public native File getCacheDir();
    public native ContentResolver getContentResolver();
    public native String getPackageName();
    public native Resources getResources();
}
