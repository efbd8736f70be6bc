// Loads one text for the tests of single kinds.
#pragma once

#include <string>
#include <vector>

#include "control-plane/sources/load.h"

namespace control {

inline Loaded LoadYaml(const std::string& text) {
  const SourceFile file{.name = "test.yaml", .text = text, .error = {}};
  return LoadDocuments(std::span(&file, 1), nullptr, MeshSettings());
}

// "FIELD RULE" of each problem, in order.
inline std::vector<std::string> Problems(const std::string& text) {
  std::vector<std::string> out;
  for (const ConfigProblem& problem : LoadYaml(text).problems) {
    out.push_back(problem.field + " " + problem.rule);
  }
  return out;
}

// A service "web" in namespace "shop" with port 80, and a pod behind it.
inline constexpr char kWeb[] = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: web}]
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  labels: {app: web, pinnace.mesh/inject: "true", topology.kubernetes.io/zone: z1}
spec:
  serviceAccountName: web
  containers: [{name: web, ports: [{name: web, containerPort: 8080}]}]
status: {podIP: 10.77.1.11}
---
)";

}  // namespace control
