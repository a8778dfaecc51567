package com.example.centernet

/** One object: its class, how sure the detector is (0..1), and where it is in the image. */
data class Detection(val label: String, val score: Float, val box: Box)

/** Returns the name of a class; files without names number their classes. */
fun labelOf(labels: List<String>, index: Int) = labels.getOrElse(index) { "class $index" }

/**
 * The four outputs of an exported detector, N rows, scores descending.
 *
 * `location` holds ymin, xmin, ymax, xmax per row as fractions of the input, `category` class indices,
 * `count` the one number N.
 */
class Outputs(
    private val location: FloatArray,
    private val category: FloatArray,
    private val score: FloatArray,
    private val count: FloatArray,
) {
    /** Returns the detections of at least `threshold` in pixels of the image that was letterboxed. */
    fun detections(letterbox: Letterbox, labels: List<String>, threshold: Float): List<Detection> =
        (0 until count[0].toInt()).filter { score[it] >= threshold }.map { row ->
            val (top, left, bottom, right) = location.slice(4 * row until 4 * row + 4)
            val (height, width) = letterbox.inputHeight to letterbox.inputWidth
            val box = Box(left * width, top * height, right * width, bottom * height)
            Detection(labelOf(labels, category[row].toInt()), score[row], letterbox.toImage(box))
        }
}

/** Returns red, green, blue in 0..255 of packed 0xAARRGGBB pixels: what a float32 input takes. */
fun rgbFloats(argb: IntArray) = FloatArray(3 * argb.size) { channel(argb, it).toFloat() }

/** The same for the uint8 input of int8 files. */
fun rgbBytes(argb: IntArray) = ByteArray(3 * argb.size) { channel(argb, it).toByte() }

private fun channel(argb: IntArray, index: Int) = argb[index / 3] shr (16 - 8 * (index % 3)) and 0xFF
