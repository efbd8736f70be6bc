// A go-control-plane server for tests: snapshots come in by HTTP, NACKs go out by HTTP.
//
//	POST /set      {"version": "1", "resources": [{"@type": ..., ...}, ...]}: for every node
//	GET  /seen     {"streams": n, "requests": n, "nacks": ["type: text", ...]}
//
// Prints {"xds": PORT, "http": PORT} when it serves; both ports are on loopback.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	cds "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	eds "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	lds "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	rds "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	sds "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// One snapshot for whoever asks.
type everyNode struct{}

func (everyNode) ID(*core.Node) string { return "all" }

type seen struct {
	mutex    sync.Mutex
	Streams  int      `json:"streams"`
	Requests int      `json:"requests"`
	Nacks    []string `json:"nacks"`
}

func (s *seen) opened(context.Context, int64, string) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.Streams++
	return nil
}

func (s *seen) request(kind, problem string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.Requests++
	if problem != "" {
		s.Nacks = append(s.Nacks, kind+": "+problem)
	}
}

// A resource of our JSON, as the snapshot wants it.
func read(text json.RawMessage) (string, types.Resource, error) {
	any := &anypb.Any{}
	if err := protojson.Unmarshal(text, any); err != nil {
		return "", nil, err
	}
	message, err := any.UnmarshalNew()
	return any.TypeUrl, message, err
}

func set(snapshots cache.SnapshotCache, body []byte) error {
	var in struct {
		Version   string
		Resources []json.RawMessage
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	byType := map[resource.Type][]types.Resource{
		resource.ListenerType: nil, resource.ClusterType: nil, resource.RouteType: nil,
		resource.EndpointType: nil, resource.SecretType: nil,
	}
	for _, text := range in.Resources {
		kind, message, err := read(text)
		if err != nil {
			return err
		}
		byType[kind] = append(byType[kind], message)
	}
	snapshot, err := cache.NewSnapshot(in.Version, byType)
	if err != nil {
		return err
	}
	return snapshots.SetSnapshot(context.Background(), "all", snapshot)
}

func main() {
	xdsPort := flag.Int("port", 0, "of the xDS services")
	ads := flag.Bool("ads", true, "wait for all names of a snapshot before answering, as ADS servers do")
	flag.Parse()
	noted := &seen{Nacks: []string{}}
	snapshots := cache.NewSnapshotCache(*ads, everyNode{}, nil)
	callbacks := server.CallbackFuncs{
		StreamOpenFunc:      noted.opened,
		DeltaStreamOpenFunc: noted.opened,
		StreamRequestFunc: func(_ int64, r *discovery.DiscoveryRequest) error {
			noted.request(r.TypeUrl, r.ErrorDetail.GetMessage())
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, r *discovery.DeltaDiscoveryRequest) error {
			noted.request(r.TypeUrl, r.ErrorDetail.GetMessage())
			return nil
		},
	}
	xds := server.NewServer(context.Background(), snapshots, callbacks)
	services := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(services, xds)
	lds.RegisterListenerDiscoveryServiceServer(services, xds)
	cds.RegisterClusterDiscoveryServiceServer(services, xds)
	rds.RegisterRouteDiscoveryServiceServer(services, xds)
	eds.RegisterEndpointDiscoveryServiceServer(services, xds)
	sds.RegisterSecretDiscoveryServiceServer(services, xds)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *xdsPort))
	if err != nil {
		log.Fatal(err)
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/set", func(w http.ResponseWriter, r *http.Request) {
		var raw json.RawMessage
		err := json.NewDecoder(r.Body).Decode(&raw)
		if err == nil {
			err = set(snapshots, raw)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	http.HandleFunc("/seen", func(w http.ResponseWriter, r *http.Request) {
		noted.mutex.Lock()
		defer noted.mutex.Unlock()
		json.NewEncoder(w).Encode(noted)
	})
	go http.Serve(control, nil)
	fmt.Printf("{\"xds\": %d, \"http\": %d}\n", listener.Addr().(*net.TCPAddr).Port,
		control.Addr().(*net.TCPAddr).Port)
	log.Fatal(services.Serve(listener))
}
