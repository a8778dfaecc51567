package com.google.mediapipe.tasks.vision.objectdetector;

import android.content.Context;
import com.google.mediapipe.framework.image.MPImage;
import com.google.mediapipe.tasks.core.BaseOptions;

public final class ObjectDetector implements AutoCloseable {
    public abstract static class ObjectDetectorOptions {
        public abstract static class Builder {
            public abstract Builder setBaseOptions(BaseOptions value);
            public abstract Builder setScoreThreshold(Float value);
            public final native ObjectDetectorOptions build();
        }

        public static native Builder builder();
    }

    public static native ObjectDetector createFromOptions(Context context, ObjectDetectorOptions options);
    public native ObjectDetectorResult detect(MPImage image);

    @Override
    public native void close();
}
