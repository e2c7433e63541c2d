# For tests of what must not compile, which source it: what the compilers say of right code and of mistakes.
#
#   source tests/must_not_compile.sh
#   begin sync shm <<< '#include "shoal/shm/shareable.h"'
#   right "what compiles" 'constexpr int number = 1;'
#   wrong "what does not" 'constexpr int number = "one";' 'invalid conversion\|cannot initialize'
#   exit "${failures}"
#
# Each mistake must give exactly one error, and say what the test expects. One from the inside of our headers would be a riddle.

failures=0
compilers=(g++)
# Optional: the build needs g++ only.
for clang in clang++ clang++-14; do
  if command -v "${clang}" > /dev/null; then compilers+=("${clang}"); break; fi
done
readonly include="${TEST_TMPDIR}/include"

# packages…; the input is what each case begins with. It is precompiled, as headers take most of the time of a case. (clang, too, looks for
# start.h.gch.)
begin() {
  local package compiler
  mkdir -p "${include}/shoal"
  for package in "$@"; do ln -s "${PWD}/${package}" "${include}/shoal/${package}"; done
  cat > "${include}/start.h"
  for compiler in "${compilers[@]}"; do
    mkdir "${TEST_TMPDIR}/${compiler}"
    cp "${include}/start.h" "${TEST_TMPDIR}/${compiler}/start.h"
    "${compiler}" -std=c++20 -Wall -Werror -I"${include}" -x c++-header "${TEST_TMPDIR}/${compiler}/start.h" \
      -o "${TEST_TMPDIR}/${compiler}/start.h.gch"
  done
}

compiles() {  # compiler, file for its errors; the code is the input
  "$1" -std=c++20 -Wall -Werror -fsyntax-only -I"${include}" -include "${TEST_TMPDIR}/$1/start.h" -x c++ - 2> "$2"
}

right() {  # name, code
  local compiler
  for compiler in "${compilers[@]}"; do
    if compiles "${compiler}" "${TEST_TMPDIR}/errors" <<< "$2"; then
      echo "ok: $1"
    else
      echo "FAILED: $1: ${compiler} refuses it"; cat "${TEST_TMPDIR}/errors"; failures=1
    fi
  done
}

wrong() {  # name, code, then what the compilers must say, each as an expression for grep
  local compiler errors said
  errors="${TEST_TMPDIR}/errors"
  for compiler in "${compilers[@]}"; do
    if compiles "${compiler}" "${errors}" <<< "$2"; then
      echo "FAILED: $1: ${compiler} compiles it"; failures=1
    elif [[ "$(grep -c ' error: ' "${errors}")" != 1 ]]; then
      echo "FAILED: $1: ${compiler} gives more than one error"; cat "${errors}"; failures=1
    else
      for said in "${@:3}"; do
        if ! grep -q -- "${said}" "${errors}"; then
          echo "FAILED: $1: ${compiler} does not say '${said}'"; cat "${errors}"; failures=1
        fi
      done
    fi
  done
  echo "looked at: $1"
}
