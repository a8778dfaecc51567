package com.example.centernet

import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.objectdetector.ObjectDetector

/**
 * MediaPipe Tasks: reads everything it needs from the file's metadata.
 *
 * It stretches the image to the input, where training and the LiteRT path letterbox it: objects of
 * images far from the input's shape look squeezed to the network.
 */
class MediaPipeDetector(context: Context) : Detector {
    private val detector = ObjectDetector.createFromOptions(
        context,
        ObjectDetector.ObjectDetectorOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath(MODEL).build())
            .setScoreThreshold(THRESHOLD)
            .build(),
    )

    override fun detect(image: Bitmap): List<Detection> {
        val found = detector.detect(BitmapImageBuilder(image).build()).detections()
        // Equal boxes of several classes come as one detection with several categories.
        return found.flatMap { one ->
            val box = one.boundingBox().run { Box(left, top, right, bottom) }
            one.categories().map { Detection(it.categoryName().ifEmpty { "class ${it.index()}" }, it.score(), box) }
        }
    }

    override fun close() = detector.close()
}
