#!/usr/bin/env bash
# The driver ranking walk-through, from definitions to the best driver.
#
#   examples/driver_ranking/run.sh [--help]
#
# Needs what scripts/bootstrap installs and the command that scripts/build makes. Set SALVER_COMMAND to use another
# one than build/release/salver. Each command is shown before it runs.
set -euo pipefail

case "${1:-}" in
  --help | -h) sed -n -e '2,${/^#/!q;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
  "") ;;
  *) echo "error: unknown argument \"$1\". See $0 --help" >&2 && exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")"
root="$(cd ../.. && pwd)"
salver="${SALVER_COMMAND:-$root/build/release/salver}"
if [ ! -x "$salver" ]; then
  echo "error: no command at $salver. Run scripts/bootstrap and scripts/build" >&2
  exit 1
fi
export PATH="$root/.venv/bin:$(dirname "$salver"):$PATH"

show() {
  printf '\n$ %s\n' "$*"
  "$@"
}

rm -rf data
show python make_data.py
show salver apply
show sqlite3 data/online_store.db .schema
show salver get-historical-features -d data/labels.parquet --feature-service driver_ranking -o data/training.parquet
show python train.py
show salver materialize-incremental 2021-04-13T00:00:00
show sqlite3 data/online_store.db \
  "select feature_name, hex(value), event_ts from driver_ranking_driver_hourly_stats order by entity_key, feature_name limit 3"
question=(-e driver_id=1001 -e driver_id=1002 -e driver_id=1003 --feature-service driver_ranking)
show salver get-online-features "${question[@]}"
printf '\n$ salver --output json get-online-features ... | python predict.py\n'
salver --output json get-online-features "${question[@]}" | python predict.py
