#!/usr/bin/env bash
# Turns the TCP traffic of the network namespace that it runs in to the sidecar.
# usage: tools/redirect.sh [--pod]      (as root, inside the namespace; rules vanish with it)
#   --pod   the namespace is a pod's; without it one that `ip netns` made is wanted, since any other
#           may be the whole machine's
# Outbound to 15001, inbound to 15006; what uid 1337 (the sidecar) sends is left alone.
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
  --pod) ;;
  "")
    if [ -z "$(ip netns identify $$)" ]; then
      echo "tools/redirect.sh: not in a network namespace that 'ip netns' made; see --help" >&2
      exit 1
    fi ;;
  *) echo "tools/redirect.sh: unknown option $1; see --help" >&2; exit 2 ;;
esac
iptables=$(command -v iptables-nft || command -v iptables)
"$iptables" -w -t nat -N PINNACE_OUT
"$iptables" -w -t nat -A PINNACE_OUT -m owner --uid-owner 1337 -j RETURN
"$iptables" -w -t nat -A PINNACE_OUT -d 127.0.0.0/8 -j RETURN
"$iptables" -w -t nat -A PINNACE_OUT -p tcp -j REDIRECT --to-ports 15001
"$iptables" -w -t nat -A OUTPUT -p tcp -j PINNACE_OUT
"$iptables" -w -t nat -N PINNACE_IN
"$iptables" -w -t nat -A PINNACE_IN -p tcp -m multiport --dports 15021,15090 -j RETURN
"$iptables" -w -t nat -A PINNACE_IN -p tcp -j REDIRECT --to-ports 15006
"$iptables" -w -t nat -A PREROUTING -p tcp -j PINNACE_IN
