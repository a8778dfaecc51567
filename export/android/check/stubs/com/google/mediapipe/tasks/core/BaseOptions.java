package com.google.mediapipe.tasks.core;

public abstract class BaseOptions {
    public abstract static class Builder {
        public abstract Builder setModelAssetPath(String value);
        public final native BaseOptions build();
    }

    public static native Builder builder();
}
