#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Whether every script parses, in the language of its first line.
set -eu

status=0
check() {
    file=$1
    shift
    "$@" "$file" || { echo "$file: does not parse"; status=1; }
}

for file in dev .ci/run .githooks/* $(find tests docker -name '*.sh' -o -name '*.py' -o -path tests/bench/run 2>/dev/null); do
    [ -f "$file" ] || continue
    case $(head -n 1 "$file") in
    '#!/bin/sh'*) check "$file" sh -n ;;
    *bash*) check "$file" bash -n ;;
    *python3*) check "$file" python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' ;;
    *) case $file in
        *.py) check "$file" python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' ;;
        *) echo "$file: no interpreter in its first line"; status=1 ;;
        esac ;;
    esac
done
exit $status
