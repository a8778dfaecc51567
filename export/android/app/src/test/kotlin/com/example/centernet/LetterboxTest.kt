package com.example.centernet

import kotlin.test.assertEquals
import org.junit.Test

/** An image's size, an input's size, and the zoom and shifts between them. */
data class Fit(
    val image: Pair<Int, Int>,
    val input: Pair<Int, Int>,
    val zoom: Float,
    val shiftX: Float,
    val shiftY: Float,
)

// (height to width) twice; tests/export/test_android.py holds every row against keras_centernet.geometry.letterbox.
val FITS = listOf(
    Fit(480 to 640, 512 to 512, 0.8f, 0f, 64f),
    Fit(640 to 480, 512 to 512, 0.8f, 64f, 0f),
    Fit(64 to 64, 64 to 64, 1f, 0f, 0f),
    Fit(1 to 1, 64 to 64, 64f, 0f, 0f),
    Fit(200 to 100, 100 to 400, 0.5f, 175f, 0f),
    Fit(3024 to 4032, 384 to 640, 0.12698413f, 64f, 0f),
    Fit(333 to 517, 512 to 512, 0.99032882f, 0f, 91.110251f),
)

class LetterboxTest {
    @Test
    fun fitsTheWholeImageInTheMiddle() = FITS.forEach {
        val letterbox = letterbox(it)
        assertEquals(it.zoom, letterbox.zoom, 1e-5f)
        assertEquals(it.shiftX, letterbox.shiftX, 1e-3f)
        assertEquals(it.shiftY, letterbox.shiftY, 1e-3f)
    }

    @Test
    fun boxesOfTheImageComeBack() = FITS.forEach {
        val (height, width) = it.image
        val box = Box(0.25f * width, 0.125f * height, 0.75f * width, height.toFloat())
        val inInput = Box(
            it.zoom * box.left + it.shiftX,
            it.zoom * box.top + it.shiftY,
            it.zoom * box.right + it.shiftX,
            it.zoom * box.bottom + it.shiftY,
        )
        assertClose(box, letterbox(it).toImage(inInput), 1e-2f)
    }

    @Test
    fun boxesEndAtTheImagesBorder() {
        val wholeInput = Box(0f, 0f, 512f, 512f)
        assertClose(Box(0f, 0f, 640f, 480f), Letterbox(480, 640, 512, 512).toImage(wholeInput), 1e-4f)
    }

    private fun letterbox(fit: Fit) = Letterbox(fit.image.first, fit.image.second, fit.input.first, fit.input.second)
}

fun assertClose(expected: Box, actual: Box, tolerance: Float) {
    assertEquals(expected.left, actual.left, tolerance)
    assertEquals(expected.top, actual.top, tolerance)
    assertEquals(expected.right, actual.right, tolerance)
    assertEquals(expected.bottom, actual.bottom, tolerance)
}
