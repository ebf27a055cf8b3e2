"""The custom resources that we use, as far as we use them, after their published definitions.

A field that is not here, or is of another type, is a mistake, or is to be added here from what its
operator documents.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]
GoDuration = Annotated[str, Meta(pattern=r"^([0-9]{1,5}(h|m|s|ms)){1,4}$")]
PromDuration = Annotated[str, Meta(pattern=r"^[0-9]+(ms|s|m|h|d)$")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Quantity = Annotated[str, Meta(pattern=r"^[0-9.]+(m|Mi|Gi)?$")]


class Strict(Struct, forbid_unknown_fields=True, kw_only=True):
    """Knows its fields and no others."""


class Metadata(Strict):
    name: Name
    namespace: Name
    labels: dict[str, str]


class Reference(Strict):
    name: Name
    kind: str | None = None
    group: str | None = None


# gateway.networking.k8s.io/v1


class Tls(Strict):
    mode: Literal["Terminate"]
    certificateRefs: list[Reference]


class Listener(Strict):
    name: Name
    protocol: Literal["HTTP", "HTTPS"]
    port: Port
    allowedRoutes: dict[str, dict[str, Literal["Same"]]]
    tls: Tls | None = None


class GatewaySpec(Strict):
    gatewayClassName: Name
    listeners: list[Listener]


class ParentReference(Strict):
    name: Name
    sectionName: Name


class PathMatch(Strict):
    type: Literal["Exact", "PathPrefix"]
    value: Annotated[str, Meta(pattern="^/")]


class RouteMatch(Strict):
    path: PathMatch


class RouteTimeouts(Strict):
    request: GoDuration


class BackendReference(Strict):
    name: Name
    port: Port


class Redirect(Strict):
    scheme: Literal["https"]
    statusCode: Literal[301, 302]


class RouteFilter(Strict):
    type: Literal["RequestRedirect"]
    requestRedirect: Redirect


class RouteRule(Strict):
    matches: list[RouteMatch] = []
    timeouts: RouteTimeouts | None = None
    filters: list[RouteFilter] = []
    backendRefs: list[BackendReference] = []


class HttpRouteSpec(Strict):
    parentRefs: list[ParentReference]
    hostnames: list[str]
    rules: list[RouteRule]


# gateway.envoyproxy.io/v1alpha1


class Cookie(Strict):
    name: str


class ConsistentHash(Strict):
    type: Literal["Cookie"]
    cookie: Cookie


class LoadBalancer(Strict):
    type: Literal["ConsistentHash"]
    consistentHash: ConsistentHash


class BackendTrafficPolicySpec(Strict):
    targetRefs: list[Reference]
    loadBalancer: LoadBalancer


# cert-manager.io/v1


class IssuerAuthority(Strict):
    secretName: Name


class IssuerSpec(Strict):
    selfSigned: dict[str, str] | None = None
    ca: IssuerAuthority | None = None


class PrivateKey(Strict):
    algorithm: Literal["ECDSA"]
    size: Literal[256, 384, 521]
    rotationPolicy: Literal["Always", "Never"] | None = None


class CertificateSpec(Strict):
    secretName: Name
    duration: GoDuration
    privateKey: PrivateKey
    issuerRef: Reference
    isCA: bool = False
    commonName: str | None = None
    renewBefore: GoDuration | None = None
    usages: list[Literal["server auth", "client auth"]] = []
    dnsNames: list[str] = []


# monitoring.coreos.com/v1


class Requirement(Strict):
    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str]


class Selector(Strict):
    matchExpressions: list[Requirement]


class ScrapeEndpoint(Strict):
    port: str
    path: str
    interval: PromDuration
    scrapeTimeout: PromDuration


class ServiceMonitorSpec(Strict):
    selector: Selector
    jobLabel: str
    endpoints: list[ScrapeEndpoint]


class AlertRule(Strict, rename={"for_": "for"}):
    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    for_: PromDuration = "0s"


class RuleGroup(Strict):
    name: str
    rules: list[AlertRule]


class PrometheusRuleSpec(Strict):
    groups: list[RuleGroup]


# mongodbcommunity.mongodb.com/v1


class MongoTls(Strict):
    enabled: Literal[True]
    certificateKeySecretRef: Reference
    caCertificateSecretRef: Reference


class MongoAuthentication(Strict):
    modes: list[Literal["SCRAM", "SCRAM-SHA-256", "SCRAM-SHA-1", "X509"]]


class MongoSecurity(Strict):
    authentication: MongoAuthentication
    tls: MongoTls


class MongoRole(Strict):
    name: str
    db: str


class MongoUser(Strict):
    name: str
    db: str
    passwordSecretRef: Reference
    scramCredentialsSecretName: Name
    roles: list[MongoRole]


class StatefulSetOverride(Strict):
    """`spec` is a part of a StatefulSet's, merged into the operator's."""

    spec: dict[str, Any]


class MongoSpec(Strict):
    type: Literal["ReplicaSet"]
    members: int
    version: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+\.[0-9]+$")]
    security: MongoSecurity
    users: list[MongoUser]
    additionalMongodConfig: dict[str, str | float]
    statefulSet: StatefulSetOverride


# rabbitmq.com/v1beta1


class ExternalSecret(Strict):
    externalSecret: Reference


class RabbitTls(Strict):
    secretName: Name
    disableNonTLSListeners: Literal[True]


class Persistence(Strict):
    storage: Quantity


class Resources(Strict):
    requests: dict[str, Quantity]
    limits: dict[str, Quantity]


class RabbitConfiguration(Strict):
    additionalConfig: str


class RabbitOverride(Strict):
    statefulSet: StatefulSetOverride


class RabbitSpec(Strict):
    replicas: int
    image: str
    secretBackend: ExternalSecret
    tls: RabbitTls
    persistence: Persistence
    resources: Resources
    rabbitmq: RabbitConfiguration
    affinity: dict[str, Any]
    override: RabbitOverride


SPECS: dict[tuple[str, str], type[Strict]] = {
    ("gateway.networking.k8s.io/v1", "Gateway"): GatewaySpec,
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HttpRouteSpec,
    ("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy"): BackendTrafficPolicySpec,
    ("cert-manager.io/v1", "Issuer"): IssuerSpec,
    ("cert-manager.io/v1", "Certificate"): CertificateSpec,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ServiceMonitorSpec,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRuleSpec,
    ("mongodbcommunity.mongodb.com/v1", "MongoDBCommunity"): MongoSpec,
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"): RabbitSpec,
}
"""The spec of every custom resource by its apiVersion and kind."""
