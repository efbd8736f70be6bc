// Calls xds:///TARGET as standard input says; see grpc_mesh.py for the lines.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	_ "google.golang.org/grpc/xds"
)

// Messages are bytes as they are.
type plain struct{}

func (plain) Name() string                      { return "proto" }
func (plain) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*[]byte) = append([]byte(nil), data...); return nil }

func call(channel *grpc.ClientConn, method string, pairs []string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		ctx = metadata.AppendToOutgoingContext(ctx, key, value)
	}
	var in, out []byte
	if err := channel.Invoke(ctx, "/test.Echo/"+method, &in, &out, grpc.ForceCodec(plain{})); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return "!" + strings.ToUpper(status.Code(err).String())
	}
	return string(out)
}

func main() {
	channels := map[string]*grpc.ClientConn{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		channel, there := channels[words[0]]
		if !there {
			var err error
			channel, err = grpc.NewClient("xds:///"+words[0],
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				panic(err)
			}
			channels[words[0]] = channel
		}
		count, _ := strconv.Atoi(words[2])
		seen := map[string]int{}
		for i := 0; i < count; i++ {
			seen[call(channel, words[1], words[3:])]++
		}
		var parts []string
		for id, n := range seen {
			parts = append(parts, fmt.Sprintf("%s=%d", id, n))
		}
		fmt.Println(strings.Join(parts, " "))
	}
}
