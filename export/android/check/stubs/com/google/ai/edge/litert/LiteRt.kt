package com.google.ai.edge.litert

import android.content.res.AssetManager

enum class Accelerator { CPU, GPU, NPU }

class Environment private constructor()

class TensorBuffer internal constructor() : AutoCloseable {
    external fun writeFloat(data: FloatArray)
    external fun writeInt8(data: ByteArray)
    external fun readFloat(): FloatArray
    external override fun close()
}

class CompiledModel private constructor() : AutoCloseable {
    class Options(accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(accelerators.toSet())
    }

    external fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer
    external fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer
    external fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null)
    external override fun close()

    companion object {
        external fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel
    }
}
