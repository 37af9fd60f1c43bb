//! Where the C library is: `HOMENODE_LIB_DIR`, or the linker's own folders.

fn main() {
    println!("cargo:rerun-if-env-changed=HOMENODE_LIB_DIR");
    if let Ok(folder) = std::env::var("HOMENODE_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rerun-if-changed={folder}/libhomenode.a");
    }
    println!("cargo:rustc-link-lib=static=homenode");
    println!("cargo:rustc-link-lib=m");
}
