#!/usr/bin/env bash
# Turns the TCP traffic of the network namespace that it runs in to the sidecar.
# usage: tools/redirect.sh      (as root, inside the namespace; rules vanish with it)
# Outbound to 15001, inbound to 15006; what uid 1337 (the sidecar) sends is left alone.
set -euo pipefail
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
