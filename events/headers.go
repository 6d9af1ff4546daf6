package events

import (
	"maps"
	"slices"
	"strings"
)

// credentialWords are parts of the names of headers that hold credentials.
var credentialWords = []string{
	"auth", "bearer", "cookie", "credential", "jwt", "key", "pass", "private", "pwd", "secret", "session", "signature", "token",
}

// credentialSchemes begin the values of headers that hold credentials, whatever the name.
var credentialSchemes = []string{"basic ", "bearer ", "digest ", "negotiate ", "token ", "apikey ", "aws4-hmac-sha256 ", secretPrefix}

// isCredential tells whether a header holds a credential: its value is not shown, and
// is encrypted in the store.
func isCredential(name, v string) bool {
	name, v = strings.ToLower(name), strings.ToLower(strings.TrimSpace(v))
	return slices.ContainsFunc(credentialWords, func(w string) bool { return strings.Contains(name, w) }) ||
		slices.ContainsFunc(credentialSchemes, func(s string) bool { return strings.HasPrefix(v, s) }) || v == masked
}

// credentialHeaders separates the headers that hold credentials from the others.
func credentialHeaders(all map[string]string) (secret, rest map[string]string) {
	secret, rest = map[string]string{}, map[string]string{}
	for name, v := range all {
		if isCredential(name, v) {
			secret[name] = v
		} else {
			rest[name] = v
		}
	}
	return secret, rest
}

// maskedHeaders are headers as they are shown.
func maskedHeaders(all map[string]string) map[string]string {
	if all == nil {
		return nil
	}
	shown := make(map[string]string, len(all))
	for name, v := range all {
		if isCredential(name, v) {
			v = masked
		}
		shown[name] = v
	}
	return shown
}

// unmaskHeaders puts the values that are stored in place of those that a statement
// gives as they are shown; o is the option.
func unmaskHeaders(given, old map[string]string, o *OptionValue) error {
	for name, v := range given {
		if strings.TrimSpace(v) != masked {
			continue
		}
		kept := false
		for n, was := range old {
			if strings.EqualFold(n, name) {
				given[name], kept = was, true
			}
		}
		if !kept {
			return o.bad("the value of %s itself: *** stands for one that is not shown", name)
		}
	}
	return nil
}

// Headers are all headers of a webhook connection.
func (c *Connection) Headers() map[string]string {
	if len(c.Settings.Headers)+len(c.Credentials.Headers) == 0 {
		return nil
	}
	all := map[string]string{}
	maps.Copy(all, c.Settings.Headers)
	maps.Copy(all, c.Credentials.Headers)
	return all
}

func (c *Connection) setHeaders(o *OptionValue) error {
	given, err := o.headers()
	if err == nil {
		err = unmaskHeaders(given, c.Headers(), o)
	}
	if err == nil {
		c.Credentials.Headers, c.Settings.Headers = credentialHeaders(given)
	}
	return err
}
