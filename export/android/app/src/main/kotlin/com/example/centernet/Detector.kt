package com.example.centernet

import android.content.Context
import android.graphics.Bitmap

const val MODEL = "detector.tflite" // in assets
const val THRESHOLD = 0.3f

/** Finds objects in one image at a time. */
interface Detector : AutoCloseable {
    /** Returns the objects of an ARGB_8888 image, in its pixels. */
    fun detect(image: Bitmap): List<Detection>
}

/** The two ways to run the same file. */
enum class Engine(val title: String, val open: (Context) -> Detector) {
    MEDIAPIPE("MediaPipe", ::MediaPipeDetector),
    LITERT("LiteRT", ::LiteRtDetector),
}
