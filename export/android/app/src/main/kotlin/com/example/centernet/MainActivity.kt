package com.example.centernet

import android.content.ActivityNotFoundException
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.net.Uri
import android.os.Bundle
import android.os.SystemClock
import android.view.View
import android.widget.Button
import android.widget.LinearLayout
import android.widget.LinearLayout.LayoutParams
import android.widget.LinearLayout.LayoutParams.MATCH_PARENT
import android.widget.LinearLayout.LayoutParams.WRAP_CONTENT
import android.widget.Switch
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.TakePicture
import androidx.core.content.FileProvider
import java.io.File
import java.util.concurrent.Executors

private const val LONGEST_SIDE = 2048 // larger images are decoded smaller: enough for any screen and input

/** An image from the gallery or the camera, its objects, and a switch between the two runtimes. */
class MainActivity : ComponentActivity() {
    private lateinit var detectionView: DetectionView
    private lateinit var status: TextView
    private var engine = Engine.MEDIAPIPE
    private var shown: Uri? = null

    private val worker = Executors.newSingleThreadExecutor() // the only thread that touches the detectors
    private val detectors = mutableMapOf<Engine, Detector>()

    private val gallery = registerForActivityResult(PickVisualMedia()) { if (it != null) detect(it) }
    private val camera = registerForActivityResult(TakePicture()) { if (it) detect(cameraImage()) }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        detectionView = DetectionView(this)
        status = TextView(this)
        setContentView(column())
    }

    override fun onDestroy() {
        super.onDestroy()
        worker.execute { detectors.values.forEach { it.close() } }
        worker.shutdown()
    }

    private fun column(): View {
        val row = LinearLayout(this)
        row.addView(button("Gallery") { gallery.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly)) })
        row.addView(button("Camera") { takePicture() })
        row.addView(engineSwitch())
        return LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            fitsSystemWindows = true
            addView(detectionView, LayoutParams(MATCH_PARENT, 0, 1f))
            addView(status, LayoutParams(MATCH_PARENT, WRAP_CONTENT))
            addView(row, LayoutParams(MATCH_PARENT, WRAP_CONTENT))
        }
    }

    private fun button(title: String, onClick: () -> Unit) = Button(this).apply {
        text = title
        setOnClickListener { onClick() }
    }

    private fun engineSwitch() = Switch(this).apply {
        text = Engine.LITERT.title
        setOnCheckedChangeListener { _, checked ->
            engine = if (checked) Engine.LITERT else Engine.MEDIAPIPE
            shown?.let { detect(it) }
        }
    }

    private fun takePicture() {
        try {
            camera.launch(cameraImage())
        } catch (error: ActivityNotFoundException) {
            status.text = "No camera app was found on this device."
        }
    }

    private fun cameraImage(): Uri {
        val file = File(cacheDir, "images/camera.jpg")
        file.parentFile?.mkdirs()
        return FileProvider.getUriForFile(this, "$packageName.images", file)
    }

    private fun detect(uri: Uri) {
        shown = uri
        val engine = engine
        worker.execute {
            try {
                val image = read(uri)
                val detector = detectors.getOrPut(engine) { engine.open(this) }
                val start = SystemClock.elapsedRealtime()
                val found = detector.detect(image)
                val milliseconds = SystemClock.elapsedRealtime() - start
                runOnUiThread {
                    detectionView.show(image, found)
                    status.text = "${engine.title}: ${found.size} objects, $milliseconds ms"
                }
            } catch (error: Exception) {
                runOnUiThread { status.text = "${engine.title}: ${error.message ?: error}" }
            }
        }
    }

    /** Returns the image upright, in memory that a detector can read. */
    private fun read(uri: Uri): Bitmap {
        val source = ImageDecoder.createSource(contentResolver, uri)
        val decoded = ImageDecoder.decodeBitmap(source) { decoder, info, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE
            val (width, height) = info.size.run { width to height }
            val scale = LONGEST_SIDE.toFloat() / maxOf(width, height)
            if (scale < 1) decoder.setTargetSize((width * scale).toInt(), (height * scale).toInt())
        }
        return checkNotNull(decoded.copy(Bitmap.Config.ARGB_8888, false)) { "The image could not be read." }
    }
}
