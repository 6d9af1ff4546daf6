package agg

import (
	"errors"
	"strings"

	"weir/mongoerr"
)

// splitPath splits a dotted path and checks it as MongoDB's FieldPath does.
func splitPath(path string) ([]string, error) {
	if path == "" {
		return nil, mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
	}
	if strings.HasSuffix(path, ".") {
		return nil, mongoerr.New(40353, "FieldPath must not end with a '.'.")
	}
	parts := strings.Split(path, ".")
	if len(parts) > 200 {
		return nil, mongoerr.New(mongoerr.Overflow, "FieldPath is too long")
	}
	for _, p := range parts {
		if err := checkFieldName(p); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func checkFieldName(name string) error {
	switch {
	case name == "":
		return mongoerr.New(15998, "FieldPath field names may not be empty strings.")
	case name[0] == '$' && !isDBRefField(name):
		return mongoerr.New(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField.")
	case strings.IndexByte(name, 0) >= 0:
		return mongoerr.New(16411, "FieldPath field names may not contain '\\0'.")
	}
	return nil
}

func isDBRefField(name string) bool { return name == "$id" || name == "$ref" || name == "$db" }

// firstPart is the top-level field of a path.
func firstPart(path string) string {
	if i := strings.IndexByte(path, '.'); i >= 0 {
		return path[:i]
	}
	return path
}

// caused puts a prefix before a server error's message.
func caused(prefix string, err error) error {
	var e *mongoerr.Error
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Message = prefix + " :: caused by :: " + e.Message
	return &c
}
