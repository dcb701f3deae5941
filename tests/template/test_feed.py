"""Test the hosted dashboard: one host for page and API, and a bucket that only CloudFront can read."""

from typing import Any

import pytest

from local.demo import HEADERS

from .conftest import Deployment, deploy

DISTRIBUTION = "AWS::CloudFront::Distribution"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/value"

# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html
ALL_VIEWER_EXCEPT_HOST_HEADER = "b689b0a8-53d0-40ab-baf2-38738e2966ac"


@pytest.fixture(scope="module")
def hosted() -> Deployment:
    return deploy(HostDashboard="true")


@pytest.fixture
def distribution(hosted: Deployment) -> Any:
    return hosted.one(DISTRIBUTION)["DistributionConfig"]


def test_only_our_distribution_reads_the_private_bucket_and_only_by_tls(hosted: Deployment, distribution: Any) -> None:
    bucket = hosted.one("AWS::S3::Bucket")
    allow, deny = hosted.one("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    access = hosted.one("AWS::CloudFront::OriginAccessControl")["OriginAccessControlConfig"]
    [origin] = [each for each in distribution["Origins"] if each["Id"] == "page"]

    assert [*bucket["PublicAccessBlockConfiguration"].values()] == [True] * 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert not bucket.keys() & {"AccessControl", "WebsiteConfiguration", "BucketName"}
    assert (allow["Effect"], allow["Action"]) == ("Allow", "s3:GetObject")
    assert allow["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    ours = "arn:aws:cloudfront::123456789012:distribution/FeedDistribution"
    assert allow["Condition"] == {"StringEquals": {"AWS:SourceArn": ours}}
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert origin["OriginAccessControlId"] == hosted.resolve({"Ref": "FeedAccess"})
    assert (access["OriginAccessControlOriginType"], access["SigningBehavior"]) == ("s3", "always")


def test_the_page_is_served_by_tls_with_the_headers_it_is_tested_with(hosted: Deployment, distribution: Any) -> None:
    page = distribution["DefaultCacheBehavior"]
    [headers] = hosted.resources("AWS::CloudFront::ResponseHeadersPolicy")
    policy = hosted.one("AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    security = policy["SecurityHeadersConfig"]

    assert (page["TargetOriginId"], page["ViewerProtocolPolicy"]) == ("page", "redirect-to-https")
    assert "AllowedMethods" not in page  # CloudFront's default is GET and HEAD
    assert page["ResponseHeadersPolicyId"] == hosted.resolve({"Ref": headers})
    assert all(header["Override"] is True for header in security.values())
    assert {
        "Content-Security-Policy": security["ContentSecurityPolicy"]["ContentSecurityPolicy"],
        "Referrer-Policy": security["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Content-Type-Options": "nosniff" if "ContentTypeOptions" in security else None,
        "X-Frame-Options": security["FrameOptions"]["FrameOption"],
    } == HEADERS
    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000


def test_the_api_is_under_the_same_host_uncached_with_all_headers_and_cookies(distribution: Any) -> None:
    api, keys = distribution["CacheBehaviors"]

    assert (api["PathPattern"], api["TargetOriginId"]) == ("/api/*", "api")
    assert api["CachePolicyId"] == CACHING_DISABLED
    # This policy forwards cookies, Authorization and queries. It does not forward Host, because API Gateway finds the
    # API by its host.
    assert api["OriginRequestPolicyId"] == ALL_VIEWER_EXCEPT_HOST_HEADER
    assert api["ViewerProtocolPolicy"] == "https-only"
    assert {"GET", "POST", "OPTIONS"} < set(api["AllowedMethods"])
    assert "ResponseHeadersPolicyId" not in api  # the API's own answers have security headers already
    assert keys == api | {"PathPattern": "/.well-known/outcomes-keys.json"}


@pytest.mark.parametrize(
    ("domain", "host", "path"), [("", "{}.execute-api.us-east-1.amazonaws.com", "/v1"), ("a.example.com", "{1}", "")]
)
def test_the_origin_of_the_api_is_its_host_by_tls(hosted: Deployment, domain: str, host: str, path: str) -> None:
    template = hosted.with_parameters(DomainName=domain, CertificateArn=CERTIFICATE if domain else "")
    [origin] = [each for each in template.one(DISTRIBUTION)["DistributionConfig"]["Origins"] if each["Id"] == "api"]
    assert origin["CustomOriginConfig"] == {"OriginProtocolPolicy": "https-only", "OriginSSLProtocols": ["TLSv1.2"]}
    assert origin["DomainName"] == host.format(template.name("OutcomesApi"), domain)
    assert origin["OriginPath"] == path


def test_a_custom_host_takes_modern_tls_only(hosted: Deployment, distribution: Any) -> None:
    template = hosted.with_parameters(DashboardHost="a.example.com", DashboardCertificateArn=CERTIFICATE)
    config = template.one(DISTRIBUTION)["DistributionConfig"]
    modern = {"SslSupportMethod": "sni-only", "MinimumProtocolVersion": "TLSv1.2_2025"}

    assert (config["Aliases"], config["ViewerCertificate"]) == (
        ["a.example.com"],
        modern | {"AcmCertificateArn": CERTIFICATE},
    )
    assert template.resolve(template.document["Outputs"]["FeedUrl"]["Value"]) == "https://a.example.com/"
    assert "Aliases" not in distribution
    assert distribution["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}
