"""What a careful user writes by hand with fast libraries: the paths the engine is compared with."""
