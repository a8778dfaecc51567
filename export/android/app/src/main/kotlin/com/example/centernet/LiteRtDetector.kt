package com.example.centernet

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.graphics.Paint
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import kotlin.math.min

private const val SIGNATURE = "serve"
private const val INPUT = "images"

// Asked for by name: the order in the file's signature is not the order of its outputs.
private val OUTPUTS = listOf("location", "category", "score", "count")

/** LiteRT alone: letterboxes the image as in training, and maps the boxes back. */
class LiteRtDetector(context: Context) : Detector {
    private val file = ModelFile(context.assets.open(MODEL).use { it.readBytes() })

    // The top-K of the decoding runs on the CPU only, and one graph is not split.
    private val model = CompiledModel.create(context.assets, MODEL, CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer(INPUT, SIGNATURE)
    private val outputs = OUTPUTS.associateWith { model.createOutputBuffer(it, SIGNATURE) }

    override fun detect(image: Bitmap): List<Detection> {
        val letterbox = Letterbox(image.height, image.width, file.inputHeight, file.inputWidth)
        val argb = pixels(image, letterbox)
        // Bytes are bytes: the call for int8 writes uint8 as well.
        if (file.isUint8) input.writeInt8(rgbBytes(argb)) else input.writeFloat(rgbFloats(argb))
        model.run(mapOf(INPUT to input), outputs, SIGNATURE)
        val (location, category, score, count) = OUTPUTS.map { outputs.getValue(it).readFloat() }
        return Outputs(location, category, score, count).detections(letterbox, file.labels, THRESHOLD)
    }

    override fun close() {
        outputs.values.forEach { it.close() }
        input.close()
        model.close()
    }
}

/** Returns the letterboxed image's packed pixels, black outside, sampled as `keras_centernet.geometry.warp` does. */
private fun pixels(image: Bitmap, letterbox: Letterbox): IntArray {
    var source = image
    var zoom = letterbox.zoom
    // Bilinear sampling alone would skip most pixels of a large image: it is halved first.
    while (zoom <= 0.5f && min(source.width, source.height) >= 2) {
        source = Bitmap.createScaledBitmap(source, source.width / 2, source.height / 2, true)
        zoom *= 2
    }
    // On a canvas the first pixel's centre is 0.5, not 0.
    val half = (1 - letterbox.zoom) / 2
    val matrix = Matrix().apply {
        setScale(zoom, zoom)
        postTranslate(letterbox.shiftX + half, letterbox.shiftY + half)
    }
    val (height, width) = letterbox.inputHeight to letterbox.inputWidth
    val target = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888)
    Canvas(target).drawBitmap(source, matrix, Paint(Paint.FILTER_BITMAP_FLAG))
    return IntArray(width * height).also { target.getPixels(it, 0, width, 0, 0, width, height) }
}
