package agg

import "weir/mongoerr"

// firstOnly are the stages that make documents and therefore come first.
func firstOnly(name string) bool {
	switch name {
	case "$changeStream", "$collStats", "$currentOp", "$documents", "$geoNear", "$indexStats",
		"$listLocalSessions", "$listSessions", "$listSampledQueries", "$planCacheStats":
		return true
	}
	return false
}

func lastOnly(name string) bool { return name == "$out" || name == "$merge" }

// checkPlace refuses a stage where it may not stand.
func (c *compiler) checkPlace(name string, i, n int) error {
	if err := c.checkNesting(name); err != nil {
		return err
	}
	if firstOnly(name) && i > 0 {
		return mongoerr.New(40602, "%s is only valid as the first stage in a pipeline.", name)
	}
	if lastOnly(name) && i < n-1 {
		return mongoerr.New(40601, "%s can only be the final stage in the pipeline", name)
	}
	return nil
}

func (c *compiler) checkNesting(name string) error {
	switch c.where {
	case inLookup:
		if lastOnly(name) || name == "$changeStream" {
			return mongoerr.New(51047, "%s is not allowed within a $lookup's sub-pipeline", name)
		}
	case inUnion:
		if lastOnly(name) || name == "$changeStream" {
			return mongoerr.New(31441, "%s is not allowed within a $unionWith's sub-pipeline", name)
		}
	case inFacet:
		if lastOnly(name) || firstOnly(name) || name == "$facet" {
			return mongoerr.New(40600, "%s is not allowed to be used within a $facet stage", name)
		}
	case inUpdate:
		if !updateStage(name) {
			return mongoerr.New(mongoerr.InvalidOptions, "%s is not allowed to be used within an update", name)
		}
	case inChangeStream:
		if !allowedInChangeStream(name) {
			return mongoerr.New(mongoerr.IllegalOperation, "%s is not permitted in a $changeStream pipeline", name)
		}
	}
	return nil
}

func updateStage(name string) bool {
	switch name {
	case "$addFields", "$set", "$project", "$unset", "$replaceRoot", "$replaceWith":
		return true
	}
	return false
}

func allowedInChangeStream(name string) bool {
	switch name {
	case "$changeStream", "$match", "$redact", "$changeStreamSplitLargeEvent", "$_internalInhibitOptimization":
		return true
	}
	return updateStage(name)
}
