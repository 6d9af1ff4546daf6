package events

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var kafkaTopic = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)

// fault tells what is wrong with the name of a target, "": nothing.
func (t Target) fault() string {
	switch t.Kind {
	case TargetCollection:
		return collectionFault(t.Name)
	case TargetKafka:
		if !kafkaTopic.MatchString(t.Name) || t.Name == "." || t.Name == ".." {
			return "The name of a Kafka topic has 1 to 249 of the characters A-Z a-z 0-9 . _ -"
		}
	case TargetRedis, TargetRedisChannel:
		if t.Name == "" {
			return "The key of a Redis stream and the name of a channel are not empty."
		}
	case TargetNATS:
		tokens := strings.Split(t.Name, ".")
		if strings.ContainsFunc(t.Name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) ||
			slices.ContainsFunc(tokens, func(s string) bool { return s == "" || s == "*" || s == ">" }) {
			return "A NATS subject that is published to is words between dots, without spaces and wildcards."
		}
	}
	return ""
}

// collectionFault goes by MongoDB's rules. What stands before a dot is a database.
func collectionFault(name string) string {
	coll := name
	if _, rest, dotted := strings.Cut(name, "."); dotted {
		coll = rest
	}
	switch {
	case coll == "" || strings.ContainsAny(coll, "$\x00") || strings.HasPrefix(coll, ".") || strings.HasSuffix(coll, "."):
		return "A collection's name is not empty, has no $, and does not begin or end with a dot."
	case strings.HasPrefix(coll, "system."):
		return "Collections whose names begin with system. are MongoDB's own."
	case len(name) > 255:
		return "Database and collection have at most 255 bytes."
	}
	return ""
}
