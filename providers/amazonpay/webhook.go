package amazonpay

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/acquitpay/acquit/orchestrator/payment"
	"github.com/acquitpay/acquit/providers"
)

// oldest is how old a notification may be: SNS delivers it again for 14 days, with
// its first time and signature.
const oldest = 15 * 24 * time.Hour

// signer is whose certificate signs what SNS delivers, in every region.
const signer = "sns.amazonaws.com"

// envelope is a notification as SNS delivers it.
type envelope struct {
	Type             string `json:"Type"`
	MessageID        string `json:"MessageId"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:"Subject"`
	Message          string `json:"Message"`
	Timestamp        string `json:"Timestamp"`
	SignatureVersion string `json:"SignatureVersion"`
	Signature        string `json:"Signature"`
	SigningCertURL   string `json:"SigningCertURL"`
}

// notification is what Amazon Pay says in one: which object has changed, not how.
type notification struct {
	MerchantID         string `json:"MerchantID"`
	ObjectType         string `json:"ObjectType"`
	ObjectID           string `json:"ObjectId"`
	ChargePermissionID string `json:"ChargePermissionId"`
	NotificationType   string `json:"NotificationType"`
}

// Webhook reads an instant payment notification. It comes from a topic of ours, is
// signed by SNS, and names an object that has changed; its state has to be looked
// up, so the event proves nothing. A chargeback cannot be looked up: its event names
// it and its charge permission, for a person.
//
// Errors: ErrUnsupported if the account has no topic or nothing fetches
// certificates; ErrForged, ErrStale and ErrMalformed. Anything else means that the
// certificate could not be had: the delivery may be genuine, and is to come again.
func (d *Driver) Webhook(ctx context.Context, in providers.Delivery) (providers.Told, error) {
	if len(d.cfg.Topics) == 0 || d.cfg.Fetch == nil {
		return providers.Told{}, fmt.Errorf("%w: no topic, or nothing that fetches certificates", providers.ErrUnsupported)
	}
	var e envelope
	if json.Unmarshal(in.Body, &e) != nil || !d.addressed(e, in) {
		return providers.Told{}, fmt.Errorf("%w: not a notification of a topic of the account", providers.ErrForged)
	}
	if err := d.genuine(ctx, e, in.Received); err != nil {
		return providers.Told{}, err
	}
	sent, err := time.Parse(time.RFC3339, e.Timestamp)
	switch {
	case err != nil || e.MessageID == "":
		return providers.Told{}, fmt.Errorf("%w: no time or no id", providers.ErrMalformed)
	case in.Received.Sub(sent) > oldest:
		return providers.Told{}, fmt.Errorf("%w: SNS gives up before", providers.ErrStale)
	}
	var n notification
	if json.Unmarshal([]byte(e.Message), &n) != nil || n.ObjectType == "" || n.ObjectID == "" {
		return providers.Told{}, fmt.Errorf("%w: it names no object", providers.ErrMalformed)
	}
	event := payment.Event{
		EventKey: payment.EventKey{ID: e.MessageID}, Time: sent.UTC(), Changed: true,
		Answer: payment.Answer{Reference: payment.ProviderReference(n.ObjectID), ObjectFound: true},
	}
	switch {
	case d.cfg.MerchantID != "" && n.MerchantID != d.cfg.MerchantID:
		return providers.Told{Unread: []string{n.ObjectType + " of another merchant"}}, nil
	case n.ObjectType == "CHARGE":
		event.Method = payment.MethodAuthorize
	case n.ObjectType == "REFUND":
		event.Method = payment.MethodRefund
	case n.ObjectType == "CHARGEBACK":
		event.Answer.Code, event.Parent = n.ObjectType, payment.ProviderReference(n.ChargePermissionID)
	default:
		return providers.Told{Unread: []string{n.ObjectType + ":" + n.NotificationType}}, nil
	}
	return providers.Told{Events: []payment.Event{event}}, nil
}

// addressed reports whether an envelope claims to come from a topic of ours. Amazon
// subscribes by itself, so there is nothing to confirm: only notifications come.
func (d *Driver) addressed(e envelope, in providers.Delivery) bool {
	header := in.Header.Get("X-Amz-Sns-Topic-Arn")
	return e.Type == "Notification" && slices.Contains(d.cfg.Topics, providers.Secret(e.TopicARN)) && (header == "" || header == e.TopicARN)
}

// genuine checks the signature of an envelope. Nothing is fetched but from SNS in
// the topic's own region, so that nobody can have us fetch what they like.
func (d *Driver) genuine(ctx context.Context, e envelope, now time.Time) error {
	if !certificateOf(e.SigningCertURL, e.TopicARN) {
		return fmt.Errorf("%w: its certificate is not at SNS", providers.ErrForged)
	}
	raw, err := d.cfg.Fetch(ctx, e.SigningCertURL)
	if err != nil {
		return fmt.Errorf("fetch the certificate of a notification: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return fmt.Errorf("%w: its certificate cannot be read", providers.ErrForged)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.VerifyHostname(signer) != nil || now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return fmt.Errorf("%w: its certificate is not one of SNS's that is valid", providers.ErrForged)
	}
	algorithm := map[string]x509.SignatureAlgorithm{"1": x509.SHA1WithRSA, "2": x509.SHA256WithRSA}[e.SignatureVersion]
	signature, err := base64.StdEncoding.DecodeString(e.Signature)
	if err != nil || cert.CheckSignature(algorithm, []byte(e.signed()), signature) != nil {
		return fmt.Errorf("%w: the signature is not of this notification", providers.ErrForged)
	}
	return nil
}

// signed is what the signature of a notification is over: names and values on a
// line each, by name, the subject only if there is one.
func (e envelope) signed() string {
	var out strings.Builder
	for _, field := range [][2]string{
		{"Message", e.Message},
		{"MessageId", e.MessageID},
		{"Subject", e.Subject},
		{"Timestamp", e.Timestamp},
		{"TopicArn", e.TopicARN},
		{"Type", e.Type},
	} {
		if field[0] != "Subject" || field[1] != "" {
			out.WriteString(field[0] + "\n" + field[1] + "\n")
		}
	}
	return out.String()
}

// CertificateHost reports whether a host is one of SNS's, which certificates are
// fetched from.
func CertificateHost(host string) bool {
	region, from := strings.CutPrefix(host, "sns.")
	region, to := strings.CutSuffix(region, ".amazonaws.com")
	return from && to && isRegion(region)
}

// certificateOf reports whether an address can be that of a certificate of SNS in
// the region of a topic.
func certificateOf(address, topic string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	file, named := strings.CutPrefix(u.Path, "/SimpleNotificationService-")
	file, pem := strings.CutSuffix(file, ".pem")
	return named && pem && strings.Trim(file, "0123456789abcdef") == "" &&
		CertificateHost(u.Host) && u.Host == "sns."+regionOf(topic)+".amazonaws.com"
}

// regionOf is the region of an SNS topic; "" for what is not the ARN of one.
func regionOf(topic string) string {
	part := strings.Split(topic, ":")
	if len(part) != 6 || part[0] != "arn" || part[1] != "aws" || part[2] != "sns" || !isRegion(part[3]) || part[4] == "" || part[5] == "" {
		return ""
	}
	return part[3]
}

func isRegion(s string) bool {
	return len(s) >= 3 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
