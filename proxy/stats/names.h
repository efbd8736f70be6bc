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
  kClusterTls,
  kClusterTlsLast = kClusterTls + kTlsStatCount - 1,
  kClusterStatCount,
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

enum ServerStat : size_t {
  kServerAccessLogDropped,
  kServerXdsUpdateSuccess,
  kServerXdsUpdateRejected,
  kServerXdsConnected,
  kServerCertificatesIssued,
  kServerCertificateFailures,
  kServerStatCount,
};
extern const ScopeKind kServerScope;

}  // namespace proxy
