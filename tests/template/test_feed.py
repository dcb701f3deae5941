"""Test the hosted dashboard: one host for page and API, and a bucket that only CloudFront can read."""

from typing import Any

import pytest

from local.demo import HEADERS
from local.template import Template

from .conftest import Deployment, deploy

BUCKET, POLICY, DISTRIBUTION = "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::CloudFront::Distribution"
ACCESS, RESPONSE_HEADERS = "AWS::CloudFront::OriginAccessControl", "AWS::CloudFront::ResponseHeadersPolicy"
MODERN = {"MinimumProtocolVersion": "TLSv1.2_2025"}
TYPES = [BUCKET, POLICY, DISTRIBUTION, ACCESS, RESPONSE_HEADERS]
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/value"

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-38738e2966ac"


@pytest.fixture(scope="module")
def hosted() -> Deployment:
    return deploy(HostDashboard="true")


def one(template: Template, type_: str) -> Any:
    """Return the properties of the only resource of a type, as CloudFormation gets them."""
    [properties] = template.resources(type_).values()
    return properties


@pytest.fixture
def distribution(hosted: Template) -> Any:
    return one(hosted, DISTRIBUTION)["DistributionConfig"]


@pytest.fixture
def page(distribution: Any) -> Any:
    return distribution["DefaultCacheBehavior"]


@pytest.fixture
def api(distribution: Any) -> Any:
    behavior, keys = distribution["CacheBehaviors"]
    only_path = {name for name in behavior if behavior[name] != keys["Fn::If"][1][name]}
    assert (keys["Fn::If"][1]["PathPattern"], only_path) == ("/.well-known/outcomes-keys.json", {"PathPattern"})
    return behavior


# ── The bucket ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bucket_is_private_and_encrypted(hosted: Template) -> None:
    bucket = one(hosted, BUCKET)
    assert [*bucket["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert bucket["BucketEncryption"]
    assert not bucket.keys() & {"AccessControl", "WebsiteConfiguration", "BucketName"}


def test_only_our_distribution_may_read_it_and_only_by_tls(hosted: Template) -> None:
    allow, deny = one(hosted, POLICY)["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Action"]) == ("Allow", "s3:GetObject")
    assert allow["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    [(operator, condition)] = allow["Condition"].items()
    assert (operator, list(condition)) == ("StringEquals", ["AWS:SourceArn"])
    assert condition["AWS:SourceArn"]["Fn::Sub"].endswith("::${AWS::AccountId}:distribution/${FeedDistribution}")
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_bucket_is_reached_by_a_signing_origin_access_control(hosted: Template, distribution: Any) -> None:
    [access] = hosted.resources(ACCESS)
    origin = next(origin for origin in distribution["Origins"] if origin["Id"] == "page")
    assert origin["OriginAccessControlId"] == {"Ref": access}
    assert origin["S3OriginConfig"] == {"OriginAccessIdentity": ""}
    assert origin["DomainName"] == {"Fn::GetAtt": ["FeedBucket", "RegionalDomainName"]}
    config = one(hosted, ACCESS)["OriginAccessControlConfig"]
    assert (config["OriginAccessControlOriginType"], config["SigningBehavior"]) == ("s3", "always")


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_is_cached_and_served_by_tls(distribution: Any, page: Any) -> None:
    assert distribution["DefaultRootObject"] == "index.html"
    assert page["TargetOriginId"] == "page"
    assert page["ViewerProtocolPolicy"] == "redirect-to-https"
    assert (page["CachePolicyId"], page["Compress"]) == (CACHING_OPTIMIZED, True)
    assert "AllowedMethods" not in page  # CloudFront's default is GET and HEAD


def test_the_page_has_the_headers_it_is_tested_with(hosted: Template, page: Any) -> None:
    [headers] = hosted.resources(RESPONSE_HEADERS)
    assert page["ResponseHeadersPolicyId"] == {"Ref": headers}
    security = one(hosted, RESPONSE_HEADERS)["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    assert all(header["Override"] is True for header in security.values())
    assert {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if "ContentTypeOptions" in security else None,
        "X-Frame-Options": security["FrameOptions"]["FrameOption"],
    } == HEADERS
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000


# ── The API ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_api_is_under_the_same_host_uncached_with_all_headers_and_cookies(api: Any) -> None:
    assert (api["PathPattern"], api["TargetOriginId"]) == ("/api/*", "api")
    assert api["CachePolicyId"] == CACHING_DISABLED
    # This policy forwards cookies, Authorization and queries. It does not forward Host, because API Gateway finds the
    # API by its host.
    assert api["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    assert api["ViewerProtocolPolicy"] == "https-only"
    assert {"GET", "POST", "OPTIONS"} < set(api["AllowedMethods"])
    assert "ResponseHeadersPolicyId" not in api  # the API's own answers have security headers already


@pytest.mark.parametrize(
    ("domain", "host", "path"), [("", "{}.execute-api.us-east-1.amazonaws.com", "/v1"), ("a.example.com", "{1}", "")]
)
def test_the_origin_of_the_api_is_its_host_by_tls(hosted: Deployment, domain: str, host: str, path: str) -> None:
    template = hosted.with_parameters(DomainName=domain, CertificateArn=CERTIFICATE if domain else "")
    [origin] = [each for each in one(template, DISTRIBUTION)["DistributionConfig"]["Origins"] if each["Id"] == "api"]
    assert origin["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}
    assert template.resolve(origin["DomainName"]) == host.format(template.name("OutcomesApi"), domain)
    assert template.resolve(origin["OriginPath"]) == path


def test_errors_are_neither_cached_nor_replaced(distribution: Any) -> None:
    """CloudFront caches errors for ten seconds by default, even if Cache-Control forbids it.

    CloudFront replaces an error's body only if the distribution sets an error page:
    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/custom-error-pages-expiration.html
    """
    assert distribution["CustomErrorResponses"] == [
        {"ErrorCode": code, "ErrorCachingMinTTL": 0} for code in (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
    ]


# ── Its host ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "certificate"),
    [
        ("", {"CloudFrontDefaultCertificate": True}),
        ("a.example.com", {"AcmCertificateArn": CERTIFICATE, "SslSupportMethod": "sni-only"} | MODERN),
    ],
)
def test_a_custom_host_takes_modern_tls_only(hosted: Deployment, host: str, certificate: dict[str, Any]) -> None:
    template = hosted.with_parameters(DashboardHost=host, DashboardCertificateArn=CERTIFICATE if host else "")
    config = template.resolve(one(template, DISTRIBUTION)["DistributionConfig"])
    assert (config.get("Aliases"), config["ViewerCertificate"]) == ([host] if host else None, certificate)
    url = template.resolve(template.document["Outputs"]["FeedUrl"]["Value"])
    assert not host or url == f"https://{host}/"
