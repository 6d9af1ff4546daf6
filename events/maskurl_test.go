package events_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/events"
)

// TestMaskURL masks all of a password, whatever stands in it, and nothing else.
func TestMaskURL(t *testing.T) {
	t.Parallel()
	for given, shown := range map[string]string{
		"http://u:p@h/a?b=c:d@e":                     "http://u:***@h/a?b=c:d@e",
		"http://u:a:b@h":                             "http://u:***@h",
		"http://u:a@b@h:80/x":                        "http://u:***@h:80/x",
		"redis://:pw@h:6379/0":                       "redis://:***@h:6379/0",
		"mongodb://u:p%40@a:27017,b:27017/?x=y":      "mongodb://u:***@a:27017,b:27017/?x=y",
		"https://u:@h/":                              "https://u:***@h/",
		"https://u@h/":                               "https://u@h/",
		"https://h:443/a:b@c":                        "https://h:443/a:b@c",
		"mongodb://a:27017,b:27017/?replicaSet=rs:0": "mongodb://a:27017,b:27017/?replicaSet=rs:0",
	} {
		require.Equal(t, shown, events.MaskURL(given))
	}
}
