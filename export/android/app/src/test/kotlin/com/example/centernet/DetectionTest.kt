package com.example.centernet

import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.Test

class DetectionTest {
    private val letterbox = Letterbox(480, 640, 512, 512) // zoom 0.8, 64 black rows above and below

    private val outputs = Outputs(
        location = floatArrayOf(0.25f, 0.5f, 0.5f, 0.75f, 0f, 0f, 1f, 1f, 0f, 0f, 0.1f, 0.1f),
        category = floatArrayOf(1f, 7f, 0f),
        score = floatArrayOf(0.9f, 0.5f, 0.1f),
        count = floatArrayOf(3f),
    )

    @Test
    fun rowsBecomeNamedBoxesOfTheImage() {
        val (first, second) = outputs.detections(letterbox, listOf("cat", "dog"), 0.5f)
        assertEquals("dog", first.label)
        assertEquals(0.9f, first.score)
        assertClose(Box(320f, 80f, 480f, 240f), first.box, 1e-3f) // y: (0.25 * 512 - 64) / 0.8
        assertEquals("class 7", second.label) // the file has two names only
        assertClose(Box(0f, 0f, 640f, 480f), second.box, 1e-3f)
    }

    @Test
    fun weakRowsAreLeftOut() {
        assertEquals(2, outputs.detections(letterbox, emptyList(), 0.5f).size)
        assertEquals(3, outputs.detections(letterbox, emptyList(), 0f).size)
        assertTrue(outputs.detections(letterbox, emptyList(), 0.95f).isEmpty())
    }

    @Test
    fun pixelsBecomeRedGreenBlue() {
        val argb = intArrayOf(0xFF0180FF.toInt(), 0xFF000000.toInt())
        assertEquals(listOf(1f, 128f, 255f, 0f, 0f, 0f), rgbFloats(argb).toList())
        assertEquals(listOf<Byte>(1, -128, -1, 0, 0, 0), rgbBytes(argb).toList())
    }
}
