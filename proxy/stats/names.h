// The stats that the data path counts; names as in Envoy where the meaning agrees.
#pragma once

#include "proxy/stats/stats.h"

namespace proxy {

// What a TLS side counts; a block of each listener's and each cluster's stats.
enum TlsStat : size_t {
  kTlsConnectionError,
  kTlsHandshakes,
  kTlsSessionReused,
  kTlsNoCertificate,
  kTlsFailVerifyNoCert,
  kTlsFailVerifyError,
  kTlsFailVerifySan,
  kTlsFailVerifyCertHash,
  kTlsVersion12,
  kTlsVersion13,
  kTlsHandshakeTimeout,
  kTlsStatCount,
};

// HTTP/2 connections: "http2.X" for those that come in, "cluster.NAME.http2.X" for those that go
// out.
enum Http2Stat : size_t {
  kHttp2GoawaySent,
  kHttp2HeaderOverflow,
  kHttp2EmptyFramesFlood,
  kHttp2PriorityFramesFlood,
  kHttp2WindowUpdateFramesFlood,
  kHttp2ControlFramesFlood,  // SETTINGS and PING.
  kHttp2ContinuationFlood,
  kHttp2ResetFlood,
  kHttp2OutboundControlFlood,
  kHttp2OutboundFlood,
  kHttp2KeepaliveTimeout,
  kHttp2RxMessagingError,
  kHttp2RxReset,
  kHttp2TxReset,
  kHttp2StreamRefusedErrors,
  kHttp2TxFlushTimeout,
  kHttp2StreamsActive,
  kHttp2StatCount,
};
extern const ScopeKind kHttp2Scope;

// "cluster.NAME.outlier_detection.X". The detected and the enforced ones are in one order.
enum OutlierStat : size_t {
  kEjectionsActive,
  kEjectionsOverflow,
  kEjectionsEnforcedTotal,
  kDetected5xx,
  kDetectedGateway,
  kDetectedSuccessRate,
  kDetectedLocal,
  kDetectedLocalSuccessRate,
  kDetectedFailurePercentage,
  kDetectedLocalFailurePercentage,
  kEnforced5xx,
  kEnforcedGateway,
  kEnforcedSuccessRate,
  kEnforcedLocal,
  kEnforcedLocalSuccessRate,
  kEnforcedFailurePercentage,
  kEnforcedLocalFailurePercentage,
  kOutlierStatCount,
};

enum ClusterStat : size_t {
  kUpstreamCxTotal,
  kUpstreamCxActive,
  kUpstreamCxConnectFail,
  kUpstreamCxConnectTimeout,
  kUpstreamCxOverflow,
  kUpstreamCxDestroyWithActiveRq,
  kUpstreamCxHttp1Total,
  kUpstreamCxHttp2Total,
  kUpstreamRqTotal,
  kUpstreamRqActive,
  kUpstreamRqPendingTotal,
  kUpstreamRqPendingActive,
  kUpstreamRqPendingOverflow,
  kUpstreamRqPendingFailureEject,
  kUpstreamRqCancelled,
  kUpstreamRqTimeout,
  kUpstreamRqPerTryTimeout,
  kUpstreamRqRetry,
  kUpstreamRqRetrySuccess,
  kUpstreamRqRetryOverflow,
  kUpstreamRqRetryLimitExceeded,
  kUpstreamRqRxReset,
  kUpstreamRqTxReset,
  kUpstreamRqCompleted,
  kUpstreamRq1xx,
  kUpstreamRq2xx,
  kUpstreamRq3xx,
  kUpstreamRq4xx,
  kUpstreamRq5xx,
  kUpstreamCxNoneHealthy,
  kUpstreamCxRxBytes,
  kUpstreamCxTxBytes,
  kMembershipTotal,
  kMembershipHealthy,
  kUpdateSuccess,
  kUpdateRejected,
  kClusterTls,
  kClusterTlsLast = kClusterTls + kTlsStatCount - 1,
  kUpstreamCxMaxDuration,
  kUpstreamCxMaxRequests,
  kUpstreamCxIdleTimeout,
  kUpstreamRqResent,
  kClusterHttp2,  // The first of kHttp2StatCount cells.
  kClusterHttp2Last = kClusterHttp2 + kHttp2StatCount - 1,
  kClusterOutlier,  // The first of kOutlierStatCount cells.
  kClusterStatCount = kClusterOutlier + kOutlierStatCount,
};
extern const ScopeKind kClusterScope;

enum HttpStat : size_t {
  kDownstreamCxTotal,
  kDownstreamCxActive,
  kDownstreamRqTotal,
  kDownstreamRqActive,
  kDownstreamRq1xx,
  kDownstreamRq2xx,
  kDownstreamRq3xx,
  kDownstreamRq4xx,
  kDownstreamRq5xx,
  kDownstreamRqRxReset,
  kDownstreamRqTxReset,
  kDownstreamRqTimeout,
  kDownstreamRqIdleTimeout,
  kDownstreamRqHeaderTimeout,
  kDownstreamRqMaxDuration,
  kDownstreamCxProtocolError,
  kDownstreamCxDestroyRemote,
  kDownstreamCxIdleTimeout,
  kNoRoute,
  kNoCluster,
  kRqDirectResponse,
  kRqRedirect,
  kDownstreamRqTooLarge,
  kRsTooLarge,
  kDroppedUnderscores,
  kRejectedUnderscores,
  kDownstreamRqPrematureResets,
  kDownstreamCxMaxDuration,
  kDownstreamCxMaxRequests,
  kPathFailed,
  kPathRedirected,
  kUpgradesTotal,
  kUpgradesActive,
  kHttpStatCount,
};
extern const ScopeKind kHttpScope;

enum ListenerStat : size_t {
  kListenerCxTotal,
  kListenerCxActive,
  kNoFilterChainMatch,
  kListenerTls,
  kListenerTlsLast = kListenerTls + kTlsStatCount - 1,
  kListenerFilterTimeout,
  kListenerFilterEof,
  kListenerCxOverflow,
  kProxyV1Found,
  kProxyV1Error,
  kProxyV2Found,
  kProxyV2Error,
  kProxyNotFoundAllowed,
  kProxyNotFoundDisallowed,
  kListenerStatCount,
};
extern const ScopeKind kListenerScope;

enum TcpStat : size_t {
  kTcpCxTotal,
  kTcpCxActive,
  kTcpNoRoute,
  kTcpRxBytes,
  kTcpTxBytes,
  kTcpIdleTimeout,
  kTcpStatCount,
};
extern const ScopeKind kTcpScope;

// The main thread's, named as Envoy names them.
enum ClusterManagerStat : size_t {
  kCdsUpdateSuccess,
  kCdsUpdateRejected,
  kClusterAdded,
  kClusterModified,
  kClusterRemoved,
  kActiveClusters,
  kWarmingClusters,
  kClusterManagerStatCount,
};
extern const ScopeKind kClusterManagerScope;

enum ListenerManagerStat : size_t {
  kLdsUpdateSuccess,
  kLdsUpdateRejected,
  kListenerAdded,
  kListenerModified,
  kListenerRemoved,
  kListenersActive,
  kListenersWarming,
  kListenerManagerStatCount,
};
extern const ScopeKind kListenerManagerScope;

enum ControlPlaneStat : size_t { kControlPlaneConnected, kControlPlaneStatCount };
extern const ScopeKind kControlPlaneScope;

// Of one route table of one connection manager ("http.PREFIX.rds.NAME."), or one secret.
enum SourceStat : size_t { kSourceUpdateSuccess, kSourceUpdateRejected, kSourceStatCount };
extern const ScopeKind kRdsScope;
extern const ScopeKind kSdsScope;

enum ServerStat : size_t {
  kServerAccessLogDropped,
  kServerXdsUpdateSuccess,
  kServerXdsUpdateRejected,
  kServerXdsFetchTimeout,
  kServerGlobalCxOverflow,
  kServerCertificatesIssued,
  kServerCertificateFailures,
  kServerStatCount,
};
extern const ScopeKind kServerScope;

}  // namespace proxy
