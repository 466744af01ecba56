#!/bin/sh
# Make the virtual environment with pinned dependencies. Safe to run again.
set -eu
venv=$1

python=
for candidate in python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 12)))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "aliad needs Python 3.11 or 3.12; none was found on PATH." >&2
    echo "plyvel (LevelDB) has no packages for other versions." >&2
    echo "Try: apt-get install python3 python3-venv" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get install -y -q python3-venv
    else
        echo "$python cannot make virtual environments." >&2
        echo "The Debian package python3-venv is missing and this user may not install it." >&2
        echo "Try: sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi

# libp2p needs fastecdsa, which compiles against GMP and the Python headers.
if ! printf '#include <gmp.h>\nint main(void){return 0;}\n' | cc -x c -fsyntax-only - 2>/dev/null ||
    [ ! -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get install -y -q libgmp-dev build-essential python3-dev
    else
        echo "A C compiler, GMP's headers and Python's headers are needed to build fastecdsa." >&2
        echo "At least one of them is missing and this user may not install packages." >&2
        echo "Try: sudo apt-get install libgmp-dev build-essential python3-dev" >&2
        exit 1
    fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# torch first and pinned: a bare `torch` of another dependency may pull a different build.
"$venv/bin/pip" install -q --disable-pip-version-check "$(grep '^torch==' constraints.txt)"
"$venv/bin/pip" install -q --disable-pip-version-check -c constraints.txt -e '.[dev,export]'
# libp2p brings stubs of a trio that is years old, and mypy prefers them to trio's own types.
rm -rf "$venv"/lib/python3*/site-packages/trio-stubs
touch "$venv/.ready"
