#!/usr/bin/env bash
# Records the tour: `qd demo`, driven key by key in a terminal of 120x36, as assets/tour.cast.
# Needs tmux and asciinema. QD is the program; `cargo build --release` makes it.
set -euo pipefail
cd "$(dirname "$0")/.."
QD=${QD:-target/release/qd}
socket=qd-tour-$$
play() { tmux -L "$socket" "$@"; }
trap 'play kill-server 2>/dev/null || true' EXIT

play new-session -d -x 120 -y 36 \
  "TERM=xterm-256color COLORTERM=truecolor asciinema rec --quiet --overwrite --idle-time-limit 2 --title 'Quarterdeck' --command '$QD demo' assets/tour.cast"
play set-option -g status off
play set-option -sg escape-time 0

# key [seconds to look at it]
press() { play send-keys "$1"; sleep "${2:-0.6}"; }

sleep 4
press j; press j; press g 1              # services, and what belongs to them
press Enter 2; press Escape              # one of them, with its deployments and events
press m 2; press Right; press Right; press Down 1   # the stowage map
press Escape
press 1; press g; press s; press BSpace 0.2; press BSpace 0.2; press 9 1; press Enter 3   # scale: the plan first
press Enter 4                            # and exactly that
press 3; press f 8                       # a host dies: its tasks move
press f 3                                # and comes back
press 1; press g; press j; press l 3; press /; play send-keys -l "order"; sleep 1; press Enter 1; press n 1   # logs, searched
press q
press H 2; press k; press k; press Enter 3   # the fleet as it was
press Escape 1
press :; play send-keys -l "drain"; sleep 2; press Escape   # anything by a few letters
press '?' 2; press Escape
press q 1; press y 1
sleep 1
