#!/bin/sh
# Type-checks the app with a Kotlin compiler and runs its unit tests on this machine's Java; no Android SDK.
#
#   npm install --prefix ~/.cache/kotlin kotlin-compiler@2.4.20     once
#   check/check.sh                                                  type check, unit tests
#   check/check.sh detector.tflite                                  ... and what the app reads of that file
#
# KOTLIN_HOME: another place of the compiler (the folder that holds bin/kotlinc).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${KOTLIN_HOME:-$HOME/.cache/kotlin/node_modules/kotlin-compiler}
if [ ! -f "$home/bin/kotlinc" ]; then
    echo "Expected a Kotlin compiler in $home; install one with" >&2
    echo "    npm install --prefix ~/.cache/kotlin kotlin-compiler@2.4.20" >&2
    exit 2
fi

classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
run() { java -cp "$classes:$home/lib/kotlin-stdlib.jar:$home/lib/kotlin-test.jar" MainKt "$@"; }

bash "$home/bin/kotlinc" -Werror -d "$classes" -classpath "$home/lib/kotlin-test.jar" \
    "$here/stubs" "$here/Main.kt" "$here/../app/src/main/kotlin" "$here/../app/src/test/kotlin"
run
if [ $# -gt 0 ]; then run "$@"; fi
