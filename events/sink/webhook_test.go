package sink

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The vector of the Standard Webhooks reference libraries.
func TestSign(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`)))
}

func TestPublicOnly(t *testing.T) {
	policy := PublicOnly(netip.MustParsePrefix("10.1.0.0/16"))
	for address, want := range map[string]bool{
		"93.184.216.34": true, "10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": false, "169.254.169.254": false,
		"::1": false, "fe80::1": false, "fd00::1": false, "::ffff:192.168.1.1": false, "0.0.0.0": false, "2606:2800:220:1::1": true,
	} {
		require.Equal(t, want, policy(netip.MustParseAddr(address)), address)
	}
}

// TestRetryAfter takes seconds, more of them than a duration holds too, and dates.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w := &Webhook{clock: func() time.Time { return now }}
	for header, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "soon": 0, "3": 3 * time.Second, " 3 ": 3 * time.Second,
		"Fri, 02 Jan 2026 03:04:09 GMT": 4 * time.Second, "Fri, 02 Jan 2026 03:04:01 GMT": 0,
	} {
		require.Equal(t, want, w.retryAfter(&http.Response{Header: http.Header{"Retry-After": {header}}}), header)
	}
	for _, header := range []string{"9223372036", "9223372037", "18446744074", "99999999999999999999"} {
		require.Greater(t, w.retryAfter(&http.Response{Header: http.Header{"Retry-After": {header}}}), 24*time.Hour, header)
	}
}
