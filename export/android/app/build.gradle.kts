plugins {
    id("com.android.application")
}

android {
    namespace = "com.example.centernet"
    compileSdk = 36

    defaultConfig {
        applicationId = "com.example.centernet"
        minSdk = 28
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
    }

    androidResources {
        noCompress += "tflite" // the runtimes map the file from the package
    }
}

dependencies {
    implementation("androidx.activity:activity-ktx:1.13.0")
    implementation("androidx.core:core-ktx:1.17.0")
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    implementation("com.google.mediapipe:tasks-vision:1.1.0")
    testImplementation("org.jetbrains.kotlin:kotlin-test-junit:2.4.20")
}
