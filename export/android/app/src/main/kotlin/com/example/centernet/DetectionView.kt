package com.example.centernet

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.view.View

private const val STROKE_DP = 2f
private const val TEXT_DP = 14f

/** Shows an image as large as it fits, with the boxes, labels and scores of its objects. */
class DetectionView(context: Context) : View(context) {
    private val density = resources.displayMetrics.density
    private val paint = Paint(Paint.ANTI_ALIAS_FLAG or Paint.FILTER_BITMAP_FLAG)
    private var image: Bitmap? = null
    private var detections = emptyList<Detection>()

    fun show(image: Bitmap, detections: List<Detection>) {
        this.image = image
        this.detections = detections
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val image = image ?: return
        val fit = Letterbox(image.height, image.width, height, width)
        canvas.translate(fit.shiftX, fit.shiftY)
        canvas.scale(fit.zoom, fit.zoom)
        canvas.drawBitmap(image, 0f, 0f, paint)
        val dp = density / fit.zoom // one density-independent pixel of the screen, in pixels of the image
        detections.forEach { draw(canvas, it, dp) }
    }

    private fun draw(canvas: Canvas, detection: Detection, dp: Float) {
        val (left, top, right, bottom) = detection.box
        val hue = detection.label.hashCode().mod(360).toFloat()
        paint.color = Color.HSVToColor(floatArrayOf(hue, 1f, 1f))
        paint.style = Paint.Style.STROKE
        paint.strokeWidth = STROKE_DP * dp
        canvas.drawRect(left, top, right, bottom, paint)
        paint.style = Paint.Style.FILL
        paint.textSize = TEXT_DP * dp
        paint.setShadowLayer(STROKE_DP * dp, 0f, 0f, Color.BLACK)
        val text = "%s %.2f".format(detection.label, detection.score)
        canvas.drawText(text, left, maxOf(top - STROKE_DP * dp, paint.textSize), paint)
        paint.clearShadowLayer()
    }
}
