# Shared by the scripts in this folder; sourced, never run. Sets ROOT, the top of the checkout, and goes there.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

say() { printf '== %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
# Wrong use of a script: said apart from a failure by the exit code, as the salver command does.
usage_error() {
  printf 'error: %s\nSee %s --help\n' "$*" "scripts/$(basename "$0")" >&2
  exit 2
}

# The lines of a list in packages/ without comments and empty lines.
package_lines() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"; }

# Prints the comment block at the top of the calling script (all lines after the first up to the first that is no
# comment): the help text lives there once.
print_help() { sed -n -e '2,${/^#/!q;s/^# \{0,1\}//;p}' "$0"; }

# Seconds since the first second of the epoch, with milliseconds; `elapsed START` is the time since START.
now() { date +%s.%3N; }
elapsed() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f", to - from }'; }

# With several jobs at once a compiler needs about 1 GB each; more jobs than memory only swap.
build_jobs() {
  local cores memory_gb
  cores="$(nproc)"
  memory_gb="$(awk '/MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)"
  if [ "$memory_gb" -lt "$cores" ]; then cores="$memory_gb"; fi
  if [ "$cores" -lt 1 ]; then cores=1; fi
  echo "$cores"
}

# pip builds the package against this tree; again only when a file it is made from has changed.
install_python_package() {
  local stamp
  stamp="$(git ls-files -co --exclude-standard include src proto cmake sdk/python CMakeLists.txt pyproject.toml packages |
    sort | xargs sha256sum 2>/dev/null | sha256sum | cut -d' ' -f1)"
  if [ "$(cat .venv/salver.sha256 2>/dev/null)" != "$stamp" ]; then
    .venv/bin/python -m pip install --disable-pip-version-check --no-build-isolation --no-deps .
    echo "$stamp" >.venv/salver.sha256
  fi
}
