// The Android plugin compiles Kotlin itself, with 2.2.10 unless told otherwise; LiteRT is built with a newer one.
buildscript {
    dependencies {
        classpath("org.jetbrains.kotlin:kotlin-gradle-plugin:2.4.20")
    }
}

plugins {
    id("com.android.application") version "9.4.0" apply false
}
