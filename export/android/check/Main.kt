import com.example.centernet.DetectionTest
import com.example.centernet.LetterboxTest
import com.example.centernet.ModelFile
import java.io.File
import kotlin.system.exitProcess
import org.junit.Test

/** Runs the app's unit tests on this machine, or, given files, says what the app reads of each. */
fun main(files: Array<String>) {
    if (files.isEmpty()) exitProcess(if (runTests(LetterboxTest(), DetectionTest())) 0 else 1)
    for (path in files) println("$path: ${describe(File(path).readBytes())}")
}

private fun describe(content: ByteArray) = try {
    val model = ModelFile(content)
    val type = if (model.isUint8) "uint8" else "float32"
    "${model.inputHeight} x ${model.inputWidth} $type, classes: ${model.labels.joinToString()}"
} catch (error: IllegalArgumentException) {
    error.message
}

private fun runTests(vararg suites: Any): Boolean {
    val tests = suites.flatMap { suite ->
        suite.javaClass.methods.filter { it.isAnnotationPresent(Test::class.java) }.map { suite to it }
    }
    val failed = tests.filter { (suite, test) ->
        val failure = runCatching { test.invoke(suite) }.exceptionOrNull()?.cause
        println("${suite.javaClass.simpleName}.${test.name}: ${failure ?: "passed"}")
        failure != null
    }
    println("${tests.size - failed.size} passed, ${failed.size} failed")
    return tests.isNotEmpty() && failed.isEmpty()
}
