package com.example.centernet

import java.io.ByteArrayInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.ZipInputStream

private const val FLOAT32 = 0 // TensorType of the TFLite schema
private const val UINT8 = 3
private const val END_OF_ZIP = 0x06054b50 // signature of the record that closes a zip
private const val END_OF_ZIP_SIZE = 22

/**
 * What the LiteRT path has to know of a `.tflite` file: the input's size and type, and the class names.
 *
 * Read from the file itself, because LiteRT's Kotlin interface has no uint8 among its tensor types and
 * `java.util.zip.ZipFile` on Android refuses a zip that does not begin at the file's first byte.
 */
class ModelFile(private val content: ByteArray) {
    private val buffer = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN)
    val inputHeight: Int
    val inputWidth: Int
    val isUint8: Boolean
    val labels: List<String>

    init {
        require(content.size > 8 && String(content, 4, 4, Charsets.ISO_8859_1) == "TFL3") {
            "Expected a TFLite file, got ${content.size} bytes that are something else."
        }
        // Slots of the TFLite schema: Model.subgraphs 2; SubGraph.tensors 0, inputs 1; Tensor.shape 0, type 1.
        val subgraph = follow(first(follow(0), 2))
        val input = buffer.getInt(first(subgraph, 1))
        val tensor = follow(first(subgraph, 0) + 4 * input)
        val shape = first(tensor, 0)
        inputHeight = buffer.getInt(shape + 4)
        inputWidth = buffer.getInt(shape + 8)
        val type = field(tensor, 1)?.let { buffer.get(it).toInt() } ?: FLOAT32
        require(type == FLOAT32 || type == UINT8) { "Expected a float32 or uint8 input, got TFLite's type $type." }
        isUint8 = type == UINT8
        labels = readLabels()
    }

    private fun follow(position: Int) = position + buffer.getInt(position)

    /** Returns where a field of a flatbuffer table lies; null: it is absent, its value the default. */
    private fun field(table: Int, slot: Int): Int? {
        val vtable = table - buffer.getInt(table)
        val entry = 4 + 2 * slot
        val offset = if (entry < buffer.getShort(vtable)) buffer.getShort(vtable + entry).toInt() and 0xFFFF else 0
        return if (offset == 0) null else table + offset
    }

    /** Returns where the first element of a vector field lies, after the vector's length. */
    private fun first(table: Int, slot: Int) = follow(checkNotNull(field(table, slot))) + 4

    /** Returns the lines of the text file in the zip at the end of the file; none without a zip. */
    private fun readLabels(): List<String> {
        val end = (content.size - END_OF_ZIP_SIZE downTo 0).firstOrNull { buffer.getInt(it) == END_OF_ZIP }
            ?: return emptyList()
        val directory = end - buffer.getInt(end + 12)
        val start = directory - buffer.getInt(end + 16) // 0, or the TFLite part's size: writers count from either
        val entry = start + buffer.getInt(directory + 42)
        val zip = ZipInputStream(ByteArrayInputStream(content, entry, content.size - entry))
        generateSequence { zip.nextEntry }.firstOrNull { it.name.endsWith(".txt") } ?: return emptyList()
        return zip.readBytes().decodeToString().trimEnd().lines()
    }
}
