package operator

var accessMethods []Method
