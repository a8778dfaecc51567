package com.example.centernet

import kotlin.math.min

/** Left, top, right, bottom in pixels of one frame. */
data class Box(val left: Float, val top: Float, val right: Float, val bottom: Float)

/**
 * Fits a whole image into another frame: centred, never stretched.
 *
 * The same transform as `keras_centernet.geometry.letterbox`, in index coordinates: the centre of the
 * first pixel is 0, x' = zoom * x + shiftX.
 */
class Letterbox(val imageHeight: Int, val imageWidth: Int, val inputHeight: Int, val inputWidth: Int) {
    val zoom = min(inputWidth.toFloat() / imageWidth, inputHeight.toFloat() / imageHeight)
    val shiftX = (inputWidth - zoom * imageWidth) / 2
    val shiftY = (inputHeight - zoom * imageHeight) / 2

    /** Returns a box of the input, in pixels, as pixels of the image, cut off at its border. */
    fun toImage(box: Box) = Box(
        ((box.left - shiftX) / zoom).coerceIn(0f, imageWidth.toFloat()),
        ((box.top - shiftY) / zoom).coerceIn(0f, imageHeight.toFloat()),
        ((box.right - shiftX) / zoom).coerceIn(0f, imageWidth.toFloat()),
        ((box.bottom - shiftY) / zoom).coerceIn(0f, imageHeight.toFloat()),
    )
}
