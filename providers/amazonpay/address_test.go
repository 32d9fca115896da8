package amazonpay

import (
	"encoding/json"
	"os"
	"testing"
)

// Goal: certificates come from SNS alone. Method: the addresses of the tests of
// Amazon's libraries, and some more; China's are none of ours.
func TestCertificateAddresses(t *testing.T) {
	const topic = "arn:aws:sns:us-east-1:291180941288:A3BXB0YN3XH17HAQR8184NJXADU"
	var cases struct {
		Valid   []string `json:"valid"`
		Invalid []string `json:"invalid"`
	}
	raw, err := os.ReadFile("testdata/signing-cert-url-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases.Valid) != 2 || len(cases.Invalid) < 7 {
		t.Fatalf("%d and %d addresses, error %v", len(cases.Valid), len(cases.Invalid), err)
	}
	if !certificateOf(cases.Valid[0], topic) {
		t.Errorf("%s is refused", cases.Valid[0])
	}
	const good = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-bb750dd426d95ee9390147a5624348ee.pem"
	for _, address := range append(cases.Invalid, cases.Valid[1], "",
		"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00.pem", // another region
		good+"?x=y", good+"#x", "https://a@sns.us-east-1.amazonaws.com/SimpleNotificationService-00.pem",
		"https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-00.pem",
		"https://sns.us-east-1.amazonaws.com/bucket/SimpleNotificationService-00.pem",
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-../x.pem",
	) {
		if certificateOf(address, topic) {
			t.Errorf("%q is taken for an address of SNS", address)
		}
	}
}

// Goal: a fetcher can be limited to SNS. Method: hosts of regions, and hosts that
// look like them.
func TestCertificateHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"sns.eu-west-1.amazonaws.com": true, "sns.us-gov-west-1.amazonaws.com": true,
		"": false, "sns.amazonaws.com": false, "sns.us.amazonaws.com": false, "sns.eu-west-1.amazonaws.com.example": false, "s3.eu-west-1.amazonaws.com": false,
		"sns.evil.example/.amazonaws.com": false, "sns.a.b.amazonaws.com": false, "sns.eu-west-1.amazonaws.com:8443": false, "xsns.eu-west-1.amazonaws.com": false,
	} {
		if got := CertificateHost(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}
