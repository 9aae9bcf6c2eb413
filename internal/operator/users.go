package operator

var userMethods = []Method{appointments}
