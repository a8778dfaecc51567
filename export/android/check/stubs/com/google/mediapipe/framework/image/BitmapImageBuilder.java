package com.google.mediapipe.framework.image;

import android.graphics.Bitmap;

public class BitmapImageBuilder {
    public BitmapImageBuilder(Bitmap bitmap) {}
    public native MPImage build();
}
